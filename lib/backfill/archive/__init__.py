"""What a run's folder and the database tell of it afterwards."""
