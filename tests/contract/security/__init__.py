"""Who may call, what is refused, and what nobody is shown."""
