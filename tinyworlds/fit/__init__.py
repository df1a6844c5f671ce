"""How words on the command line become a Trainer, and the pipeline of three stages."""
