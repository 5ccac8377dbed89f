"""What a person looks at: tables, charts, pages."""
