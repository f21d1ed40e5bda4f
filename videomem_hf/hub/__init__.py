"""What goes to the Hugging Face Hub: cards written from runs, and pushes that show first what would go."""
