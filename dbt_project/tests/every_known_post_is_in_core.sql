{# A post that was ever listed and that staging shows is in core, whenever it came: what no audit of new runs would see. #}
with unknown_to_core as (
    select
        known.business_id,
        known.platform,
        known.account_id,
        known.post_id
    from {{ ref('stg_ops__known_posts') }} as known
    left join {{ ref('dim_posts') }} as posts using (business_id, platform, account_id, post_id)
    where posts.post_key is null
)

select unknown_to_core.*
from unknown_to_core
-- Row by row, so that the index of the raw table finds the few.
inner join lateral (
    select {{ surrogate_key([
        'arrived.business_id', 'arrived.platform', 'arrived.account_id', 'coalesce(arrived.version_ids[1], arrived.post_id)',
    ]) }} as post_key
    from {{ ref('int_posts_unioned') }} as arrived
    where
        arrived.business_id = unknown_to_core.business_id
        and arrived.platform = unknown_to_core.platform
        and arrived.account_id = unknown_to_core.account_id
        and arrived.post_id = unknown_to_core.post_id
    limit 1
) as staged on true
left join {{ ref('dim_posts') }} as editions on staged.post_key = editions.post_key
where editions.post_key is null
