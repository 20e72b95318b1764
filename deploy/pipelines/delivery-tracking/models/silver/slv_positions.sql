select delivery_id, position, status, upper(trim(depot)) as depot, scanned_at,
       scanned_at / 86400000 as scanned_on,
       _late                 as is_late
from {{ source('positions') }}
