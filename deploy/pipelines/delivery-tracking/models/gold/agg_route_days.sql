select route, delivered_on, count(*) as delivered, sum(is_on_time) as on_time,
       mul_div(sum(is_on_time), 1000000, count(*), 'half_even') as on_time_ppm
from {{ ref('fct_arrivals') }}
group by route, delivered_on
