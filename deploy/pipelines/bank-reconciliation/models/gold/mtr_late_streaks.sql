-- Gaps and islands: filtering to Late before LAG would count late payments with on-time ones between them.
with p as (
  select customer_id, transaction_id, value_date, payment_status,
         row_number() over (partition by customer_id order by value_date, transaction_id)
       - row_number() over (partition by customer_id, payment_status order by value_date, transaction_id) as island
  from {{ ref('slv_transactions') }}
  where side = 'LEDGER' and payment_status <> 'NoDue'
)
select customer_id, island, min(value_date) as from_date, max(value_date) as to_date, count(*) as consecutive_late
from p where payment_status = 'Late'
group by customer_id, island having count(*) >= 2
