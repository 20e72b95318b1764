select from_status, count(*) as legs, mul_div(sum(duration_s), 1, count(*), 'half_even') as mean_s,
       min(duration_s) as shortest_s, max(duration_s) as longest_s
from {{ ref('fct_delivery_legs') }}
group by from_status
