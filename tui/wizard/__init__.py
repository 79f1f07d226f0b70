"""What the training wizard asks, by kind of model, and the answers it keeps."""
