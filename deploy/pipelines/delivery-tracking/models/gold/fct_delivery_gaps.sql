with scans as (
  select delivery_id, position, scanned_at,
         lag(position, 1, {{ var('first_position') }} - 1) over (partition by delivery_id order by position) as before
  from {{ ref('slv_positions') }}
)
select delivery_id, before + 1 as from_position, position - 1 as to_position,
       position - before - 1 as missing, scanned_at as seen_after_at
from scans
where position > before + 1
