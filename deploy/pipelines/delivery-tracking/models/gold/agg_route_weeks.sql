-- A week starts on Monday and belongs to the year of its Thursday: 2027-01-03 is in 202653.
with days as (
  select route, date_trunc('week', delivered_on) as week_from, iso_week(delivered_on) as iso_week, delivered, on_time
  from {{ ref('agg_route_days') }}
)
select route, iso_week, week_from, sum(delivered) as delivered, sum(on_time) as on_time,
       mul_div(sum(on_time), 1000000, sum(delivered), 'half_even') as on_time_ppm
from days
group by route, iso_week, week_from
