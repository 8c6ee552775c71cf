SELECT asked.place
FROM unnest($1::int8[], $2::int8[]) WITH ORDINALITY AS asked (id, claim, place)
WHERE EXISTS (
          SELECT FROM endings e WHERE e.message_id = asked.id AND e.claim = asked.claim AND e.worker = $3
      )
   OR EXISTS (
          SELECT FROM attempts a
          WHERE a.message_id = asked.id AND a.claim = asked.claim AND a.worker = $3 AND a.outcome <> 'interrupted'
      )
