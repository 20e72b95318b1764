-- A bank without lines has its row too, and no rate.
select b.bank_id, b.name as bank_name, count(f.transaction_id) as lines,
       coalesce(sum(f.is_auto_matched), 0)                             as matched,
       sum(case when e.exception_type = 'AMBIGUOUS' then 1 else 0 end) as ambiguous,
       sum(case when e.exception_type = 'DATE'      then 1 else 0 end) as date_differs,
       sum(case when e.exception_type = 'AMOUNT'    then 1 else 0 end) as amount_differs,
       sum(case when e.exception_type = 'UNMATCHED' then 1 else 0 end) as unmatched,
       mul_div(sum(f.is_auto_matched), 1000000, count(f.transaction_id), 'half_even') as matched_ppm
from {{ ref('dim_bank') }} b
left join {{ ref('fct_transaction_audit') }} f on f.bank_id = b.bank_id
left join {{ ref('slv_match_exceptions') }} e on e.transaction_id = f.transaction_id
group by b.bank_id, b.name
