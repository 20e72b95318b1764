with stage as (
  select transaction_id, stage, row_number() over (partition by transaction_id order by seq desc) as k
  from {{ ref('slv_lifecycle') }}
), aud as (
  select transaction_id, audit_id, row_number() over (partition by transaction_id order by at desc, audit_id desc) as k
  from {{ ref('slv_audit') }}
)
select t.transaction_id, t.bank_id, t.match_ref, t.amount, t.value_date as transaction_date, a.audit_id,
       coalesce(s.stage, 'pending')                          as lifecycle_stage,
       m.match_rule is not null                              as is_auto_matched,
       m.match_rule
from {{ ref('slv_transactions') }} t
left join stage s on s.transaction_id = t.transaction_id and s.k = 1
left join aud   a on a.transaction_id = t.transaction_id and a.k = 1
left join {{ ref('slv_matches') }} m on m.bank_id = t.bank_id and m.match_ref = t.match_ref
      and t.transaction_id in (m.bank_transaction_id, m.ledger_transaction_id)
