"""What stands beside the workbook: invented data."""
