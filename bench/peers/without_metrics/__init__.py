"""This service without metrics of its calls, charges and batches."""
