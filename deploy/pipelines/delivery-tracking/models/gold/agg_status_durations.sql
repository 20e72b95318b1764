select started_on, from_status, count(*) as legs, sum(duration_s) as total_s,
       min(duration_s) as shortest_s, max(duration_s) as longest_s
from {{ ref('fct_delivery_legs') }}
group by started_on, from_status
