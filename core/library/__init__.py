"""What is kept on disk: models with their manifests, and workspaces. The folders are the truth."""
