-- RANGE over day numbers, not ROWS: 29 PRECEDING rows is not 29 preceding days.
with daily as (
  select customer_id, currency, value_date, sum(amount) as net
  from {{ ref('slv_transactions') }} where side = 'LEDGER'
  group by customer_id, currency, value_date
)
select customer_id, currency, value_date,
       sum(net) over (partition by customer_id, currency order by value_date
                      range between 29 preceding and current row) as rolling_30d
from daily
