-- Calls per day by what became of them; `contained` is a fact, not a judgement that the caller was helped.
SELECT
  dt,
  COUNT(*) AS calls,
  SUM(CASE WHEN disposition = 'contained' THEN 1 ELSE 0 END) AS contained,
  SUM(CASE WHEN disposition = 'escalated' THEN 1 ELSE 0 END) AS escalated,
  SUM(CASE WHEN disposition = 'abandoned' THEN 1 ELSE 0 END) AS abandoned,
  SUM(CASE WHEN disposition = 'failed' THEN 1 ELSE 0 END) AS failed,
  AVG(CASE WHEN disposition = 'contained' THEN 1.0 ELSE 0.0 END) AS containment_rate
FROM calls
GROUP BY dt
ORDER BY dt
