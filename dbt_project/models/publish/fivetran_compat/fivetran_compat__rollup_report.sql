{{ config(
    enabled=shows_fivetran_compat(),
    meta={
        'key': ['business_id', 'row_key'],
        'part': 'post' if not reads_fivetran() else none,
        'part_columns': ['row_key'],
        'indexes': [['business_id', 'created_timestamp']],
        'read_as': 'fivetran_compat.social_media_reporting__rollup_report',
        'unread': ['business_id', 'row_key'],
    },
) }}

with reported as (
    {{ rollup_as_fivetran() if var('fivetran_compat') == 'strict' else rollup_corrected() }}
),

final as (
    select
        concat(
            '"', current_database(), '"."fivetran_compat"."social_media_reporting__',
            platform,
            case platform when 'youtube' then '_videos_reporting"' else '_posts_reporting"' end
        ) as _dbt_source_relation,
        {{ rollup_columns() | join(',\n        ') }},
        business_id,
        row_key
    from reported
)

select * from final
