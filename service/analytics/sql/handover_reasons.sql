-- Why calls were handed to a person, per bot, most frequent first.
SELECT
  bot_id,
  end_reason,
  COUNT(*) AS calls,
  AVG(duration_ms) / 1000.0 AS average_s
FROM calls
WHERE disposition = 'escalated'
GROUP BY bot_id, end_reason
ORDER BY calls DESC, bot_id, end_reason
