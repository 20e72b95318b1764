-- The status is that of the highest position, not of the scan that came last. Numbered by position,
-- the k-th scan stands at position k exactly as long as nothing below it is missing.
with scans as (
  select delivery_id, position, status, scanned_at,
         row_number() over (partition by delivery_id order by position)      as k,
         row_number() over (partition by delivery_id order by position desc) as from_last
  from {{ ref('slv_positions') }}
), summed as (
  select delivery_id, count(*) as seen, max(position) as last_position,
         max(case when position = k + {{ var('first_position') }} - 1 then position else 0 end) as contiguous_position,
         min(scanned_at) as started_at,
         min(case when status = 'DELIVERED' then scanned_at end) as delivered_at
  from scans
  group by delivery_id
)
select d.delivery_id, d.route,
       coalesce(l.status, 'ANNOUNCED')           as status,
       coalesce(s.last_position, 0)              as last_position,
       coalesce(s.contiguous_position, 0)        as contiguous_position,
       coalesce(s.last_position - s.seen, 0)     as missing,
       d.promised_at, s.started_at, l.scanned_at as last_at, s.delivered_at,
       s.delivered_at / 86400000                 as delivered_on,
       (l.scanned_at - s.started_at) / 1000      as duration_s,
       s.delivered_at <= d.promised_at           as is_on_time
from {{ ref('slv_deliveries') }} d
left join summed s on s.delivery_id = d.delivery_id
left join scans l on l.delivery_id = d.delivery_id and l.from_last = 1
