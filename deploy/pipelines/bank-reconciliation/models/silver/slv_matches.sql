-- Exact auto-match on (amount, value date, reference). Duplicates pair by ordinal only when both sides
-- have the same count; otherwise the group is AMBIGUOUS and left to a person.
with ord as (
  select transaction_id, side, bank_id, currency, amount, value_date, match_ref,
         row_number() over (partition by bank_id, match_ref, currency, amount, value_date, side
                            order by transaction_id) as k,
         count(*) over (partition by bank_id, match_ref, currency, amount, value_date, side) as n
  from {{ ref('slv_transactions') }}
)
select b.transaction_id as bank_transaction_id, l.transaction_id as ledger_transaction_id,
       b.bank_id, b.match_ref, 'EXACT' as match_rule
from ord b join ord l using (bank_id, match_ref, currency, amount, value_date, k, n)
where b.side = 'BANK' and l.side = 'LEDGER'
