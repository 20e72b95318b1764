select :transaction_id as transaction_id, coalesce(max(seq), 0) + 1 as seq, :stage as stage,
       consensus_time_ms() as at
from {{ source('lifecycle_associations') }} where transaction_id = :transaction_id
