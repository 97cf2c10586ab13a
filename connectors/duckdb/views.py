"""Views of the results that are computed when they are queried."""

# A value is off its step where the quotient is further from a whole number than float64 explains:
# prices are the float64 nearest to the venue's decimal, volumes are sums of such.
PRINTED_STEPS = """
    SELECT instrument, step_of, step, value,
        value > 0 AND quotient < 1e13 AND abs(quotient - round(quotient)) > 1e-9 + quotient * noise
            AS is_off
    FROM (
        SELECT instrument, step_of, step, value, noise, value / step::DOUBLE AS quotient
        FROM (
            SELECT instrument, 'tick' AS step_of, unnest([open, high, low, close]) AS value,
                1e-15 AS noise FROM bars
            UNION ALL SELECT instrument, 'tick', price::DOUBLE, 1e-15 FROM fills
            UNION ALL SELECT instrument, 'lot', volume, 1e-12 FROM bars
        )
        JOIN (
            SELECT id AS instrument, 'tick' AS step_of, tick AS step FROM instruments
            UNION ALL SELECT id, 'lot', lot FROM instruments
        ) USING (instrument, step_of)
    )
"""
OFF_STEP = f"""
    CREATE VIEW off_step AS
    SELECT instrument, step_of, step, count(*) AS printed,
        count(*) FILTER (is_off) AS off, min(value) FILTER (is_off) AS example
    FROM ({PRINTED_STEPS}) GROUP BY ALL HAVING off > 0 ORDER BY ALL
"""
