"""What stands beside the workbook: invented data, the proof by breaking, the reference."""
