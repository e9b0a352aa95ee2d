-- Tokens and list-price cost per day and model. Calls without a known price count in `unpriced_calls` alone.
SELECT
  dt,
  model,
  COUNT(*) AS calls,
  SUM(tokens.input_text + tokens.input_audio + tokens.input_cached) AS input_tokens,
  SUM(tokens.output_text + tokens.output_audio) AS output_tokens,
  SUM(cost.total) AS usd,
  SUM(CASE WHEN cost.total IS NULL THEN 1 ELSE 0 END) AS unpriced_calls,
  SUM(cost.total) / NULLIF(SUM(CASE WHEN disposition = 'contained' THEN 1 ELSE 0 END), 0) AS usd_per_contained_call
FROM calls
GROUP BY dt, model
ORDER BY dt, model
