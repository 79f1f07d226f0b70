"""Readers for foreign weights: NVIDIA's and TensorFlow-era StyleGAN pickles, rosinality .pt, safetensors, text models.

Nothing in a file is ever executed. `convert` is run in a process of its own, `python -m core.ml.checkpoints`.
"""
