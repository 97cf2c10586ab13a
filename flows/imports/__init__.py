"""Foreign files become tapes: what each is, which partition it belongs to, its conversion."""
