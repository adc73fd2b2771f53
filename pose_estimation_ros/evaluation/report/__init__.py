"""Reports: tables, charts, HTML pages and pictures of cases."""
