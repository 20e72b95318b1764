-- The files write "unknown" in two ways: as nothing and as an empty text. Null is the one way here.
select trans_id, account_id, booked,
       date_trunc('month', booked)                          as month,
       case when type = 'PRIJEM' then amount else -amount end as signed,
       amount,
       nullif(trim(bank), '')                               as bank
from {{ source('transactions') }}
