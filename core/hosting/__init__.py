"""Models behind URLs: deployments on disk, the gateway process that serves them, and the APIs that they speak."""
