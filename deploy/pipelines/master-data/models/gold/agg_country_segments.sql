select country, segment, count(*) as customers, sum(is_blocked) as blocked,
       sum(marketing_ok) as marketable, sum(credit_limit) as credit_total
from {{ ref('dim_customer') }}
group by country, segment
