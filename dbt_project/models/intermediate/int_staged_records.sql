{#- One row per record of every stream that staging shows: what core and marts have to account for. -#}
{%- set branches = [
    ('linkedin__profile', 'record_key', ref('stg_linkedin__profile')),
    ('linkedin__posts', 'post_id', ref('stg_linkedin__posts')),
    ('linkedin__post_metrics', 'post_id', ref('stg_linkedin__post_metrics')),
    ('linkedin__post_reactions', 'post_id', ref('stg_linkedin__post_reactions')),
    ('linkedin__video_metrics', 'record_key', ref('stg_linkedin__video_metrics')),
    ('linkedin__comments', 'comment_id', ref('stg_linkedin__comments')),
    ('linkedin__account_daily', 'record_key', ref('stg_linkedin__account_daily')),
    ('linkedin__audience', 'record_key', ref('stg_linkedin__audience')),
    ('linkedin__competitors', 'record_key', ref('stg_linkedin__competitors')),
    ('twitter__profile', 'record_key', ref('stg_twitter__profile')),
    ('twitter__posts', 'post_id', ref('stg_twitter__posts')),
    ('twitter__post_metrics', 'post_id', ref('stg_twitter__post_metrics')),
    ('twitter__comments', 'comment_id', ref('stg_twitter__comments')),
    ('twitter__competitors', 'record_key', ref('stg_twitter__competitors')),
    ('facebook__profile', 'record_key', ref('stg_facebook__profile')),
    ('facebook__posts', 'post_id', ref('stg_facebook__posts')),
    ('facebook__account_daily', 'record_key', ref('stg_facebook__account_daily')),
    ('facebook__audience', 'record_key', ref('stg_facebook__audience')),
    ('facebook__comments', 'comment_id', ref('stg_facebook__comments')),
    ('facebook__competitors', 'record_key', ref('stg_facebook__competitors')),
    ('instagram__profile', 'record_key', ref('stg_instagram__profile')),
    ('instagram__posts', 'post_id', ref('stg_instagram__posts')),
    ('instagram__post_metrics', 'post_id', ref('stg_instagram__post_metrics')),
    ('instagram__account_daily', 'record_key', ref('stg_instagram__account_daily')),
    ('instagram__audience', 'record_key', ref('stg_instagram__audience')),
    ('instagram__stories', 'post_id', ref('stg_instagram__stories')),
    ('instagram__comments', 'comment_id', ref('stg_instagram__comments')),
    ('instagram__competitors', 'record_key', ref('stg_instagram__competitors')),
] %}

with final as (
    {% for stream, key, relation in branches %}
        select
            run_id,
            business_id,
            '{{ stream.split('__')[0] }}' as platform,
            account_id,
            '{{ stream }}' as stream,
            {{ key }} as record_key,
            observed_at
        from {{ relation }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select * from final
