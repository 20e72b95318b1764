-- RANGE over months, ordered by the key itself, so that equal rows cannot tie.
with months as (
  select account_id, month, count(*) as movements,
         sum(case when signed > 0 then signed else 0 end)  as credit,
         sum(case when signed < 0 then -signed else 0 end) as debit,
         sum(signed)                                       as net
  from {{ ref('slv_transactions') }}
  group by account_id, month
)
select account_id, month, movements, credit, debit,
       sum(net) over (partition by account_id order by month
                      range between unbounded preceding and current row) as balance
from months
