SELECT asked.place, d.message_id, d.trace
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (source, delivery_id, place)
JOIN deliveries d ON d.source = asked.source AND d.delivery_id = asked.delivery_id
