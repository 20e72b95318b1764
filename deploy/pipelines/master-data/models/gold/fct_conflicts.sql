select customer_id, 'email' as attribute, count(distinct email) as spellings, list_sorted(source, source) as sources
from {{ ref('slv_records') }} where email is not null
group by customer_id having count(distinct email) > 1
union all
select customer_id, 'phone', count(distinct phone), list_sorted(source, source)
from {{ ref('slv_records') }} where phone is not null
group by customer_id having count(distinct phone) > 1
union all
select customer_id, 'country', count(distinct country), list_sorted(source, source)
from {{ ref('slv_records') }} where country is not null
group by customer_id having count(distinct country) > 1
