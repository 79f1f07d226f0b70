"""Hosting past one machine: replicas as runs of their own, and HAProxy in front of them."""
