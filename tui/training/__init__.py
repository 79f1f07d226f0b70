"""What the training screens call, and the options they show."""
