select transaction_id, bank_id, side, customer_id, amount, currency, value_date, due_date, reference,
       coalesce(description, '')                                as description,
       upper(replace(replace(trim(reference), ' ', ''), '-', '')) as match_ref,
       case when due_date is null       then 'NoDue'
            when value_date > due_date  then 'Late'
            else 'OnTime' end                                   as payment_status
from {{ source('financial_transactions') }}
