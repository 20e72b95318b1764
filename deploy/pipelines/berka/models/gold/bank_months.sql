select bank, month, count(*) as movements, sum(amount) as volume
from {{ ref('slv_transactions') }}
where bank is not null
group by bank, month
