"""Work in a process of its own that ends with its answer: started, listened to, and never outlived by its parent.

What decodes foreign files or computes for minutes does not belong into a program with an event loop: it can take time,
memory or the whole process with it.
"""
