-- First reason that applies, in the order Ambiguous, Date, Amount, Unmatched.
select t.transaction_id, t.bank_id, t.match_ref,
  case
    when exists (select 1 from {{ ref('slv_transactions') }} o where o.bank_id = t.bank_id and o.match_ref = t.match_ref
                 and o.side <> t.side and o.currency = t.currency and o.amount = t.amount and o.value_date = t.value_date) then 'AMBIGUOUS'
    when exists (select 1 from {{ ref('slv_transactions') }} o where o.bank_id = t.bank_id and o.match_ref = t.match_ref
                 and o.side <> t.side and o.currency = t.currency and o.amount = t.amount
                 and abs(o.value_date - t.value_date) <= {{ var('date_tolerance_days') }})                                 then 'DATE'
    when exists (select 1 from {{ ref('slv_transactions') }} o where o.bank_id = t.bank_id and o.match_ref = t.match_ref
                 and o.side <> t.side and o.currency = t.currency and o.value_date = t.value_date)                          then 'AMOUNT'
    else 'UNMATCHED' end as exception_type
from {{ ref('slv_transactions') }} t
where not exists (select 1 from {{ ref('slv_matches') }} m where m.bank_id = t.bank_id and m.match_ref = t.match_ref
                  and t.transaction_id in (m.bank_transaction_id, m.ledger_transaction_id))
