"""Figures for people: tables, charts, pages, and pictures of cases."""
