-- Over a gap nothing is said: a duration from 1 to 4 is no duration of 1.
select a.delivery_id, a.position as from_position, a.status as from_status, b.status as to_status,
       a.scanned_on as started_on,
       (b.scanned_at - a.scanned_at) / 1000 as duration_s,
       b.scanned_at >= a.scanned_at         as is_forward
from {{ ref('slv_positions') }} a
join {{ ref('slv_positions') }} b on b.delivery_id = a.delivery_id and b.position = a.position + 1
