"""Work in the latent spaces of a StyleGAN generator: styles by layer, principal directions, projection."""
