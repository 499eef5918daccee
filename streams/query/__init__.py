"""SQL over the findings of a lake: the objects of a period, a DuckDB that only reads, its answer.

`run` does all of it. The analyst's questions are in `questions.sql`.
"""
