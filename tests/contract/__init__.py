"""What callers are promised, over every transport and engine, by services that run."""
