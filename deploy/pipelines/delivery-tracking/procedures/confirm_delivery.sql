select :delivery_id as delivery_id, coalesce(max(position), 0) + 1 as position, 'DELIVERED' as status,
       :depot as depot, consensus_time_ms() as scanned_at
from {{ source('positions') }} where delivery_id = :delivery_id
