-- The last year ends today and leaves out its anniversary: of 2025-03-01 to 2026-03-01 the first day
-- is too old. Months, not 365 days: a leap year is a year. Of equal amounts the later comes first, then
-- the id decides, so the order is total and three places are three rows.
select customer_id, rnk, transaction_id, amount, currency, value_date from (
  select customer_id, transaction_id, amount, currency, value_date,
         row_number() over (partition by customer_id order by amount desc, value_date desc, transaction_id) as rnk
  from {{ ref('slv_transactions') }}
  where side = 'LEDGER' and value_date > add_months(consensus_date(), -12) and value_date <= consensus_date()) as ranked
where rnk <= 3
